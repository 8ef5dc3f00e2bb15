"""Programs for end users: the camera demo and the page that measures artifacts on a phone. They do not need torch."""
