"""Where bytes live: git objects, git-lfs objects, the index, links between copies, memo, lock, sync."""
