"""Many machines: what a PromQL engine says of hosts that export their memory. No Textual here."""
