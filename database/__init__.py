"""Tables, sessions and the generations that say what is fresh."""
