"""What a message is handed over to: a mail server, or Twilio. A channel knows nothing of the database."""
