"""The work tree beside git's tree: looking for hand edits, and letting the files follow."""
