# The commands of every day: https://just.systems

# start the app; pages reload when their files change
app:
    streamlit run app.py --server.fileWatcherType auto

# the tests that a commit must pass, or those named: just test tests/unit/training; just test tests runs all
test *tests:
    pytest {{ tests }}

# what a commit must pass, in seconds
check:
    ruff check --fix . && ruff format . && lint-imports && mypy

# write the versions and hashes of everything that requirements.txt needs
lock:
    uv pip compile requirements.txt --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --output-file requirements.lock

# show the documentation while you write it
docs:
    mkdocs serve
