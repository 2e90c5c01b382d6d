"""What the serving benchmark is made of: a world, a peer, and who asks both."""
