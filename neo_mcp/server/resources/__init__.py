"""Resources: transcripts, events and documentation, and subscriptions to them."""
