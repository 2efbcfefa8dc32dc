"""Properties: what holds for every order of events that hypothesis can think of."""
