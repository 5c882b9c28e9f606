"""The screen. The only room that knows Textual; it draws and computes nothing that a test wants without a screen."""
