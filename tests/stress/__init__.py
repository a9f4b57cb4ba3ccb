"""What the server withstands: killed processes, full disks, crowds, long hours; docs/reliability.md has the figures."""
