"""All the state that a front end has, without any screen: what is monitored, what came in, which moment is shown."""
