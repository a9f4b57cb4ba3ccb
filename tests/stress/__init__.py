"""What the server withstands: killed processes, full disks, crowds, long hours; figures are in the README."""
