"""Ways out for messages: a mail server, or Twilio. A channel knows nothing of the database."""
