"""Why published changes are what they are: the causes in the model switched on and off."""
