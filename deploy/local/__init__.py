"""Real servers on this machine, each with its own directory: `python -m deploy.local`, and the tests."""
