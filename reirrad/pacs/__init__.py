"""Archives of images and treatment plans: ask, fetch whole or not at all, send. The only room that talks to a network."""
