"""What programs wrote, understood: JSON and text, fields, times, names, sites. Pure; nothing in it is trusted."""
