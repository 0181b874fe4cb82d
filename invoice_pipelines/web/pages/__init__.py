"""The desk: pages for people, in their language. They call the functions of the domains, as the API does."""
