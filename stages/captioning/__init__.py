"""The parts of the stage captioned: its settings, where tags come from, what looks at images."""
