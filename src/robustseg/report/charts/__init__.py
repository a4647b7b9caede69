"""Charts as inline SVG, colored by the page's style sheet."""
