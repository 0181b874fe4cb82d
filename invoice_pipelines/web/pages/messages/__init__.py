"""Messages to customers at the desk: what became of them, whom nothing is sent to, and the texts they are made of."""
