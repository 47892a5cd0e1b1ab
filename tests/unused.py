"""Names that vulture finds unused although something outside the code uses them, each with the user."""
