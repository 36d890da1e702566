"""What is held how, so that a run fits: the plan, its estimate, and how it is put into effect."""
