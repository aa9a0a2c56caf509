"""One file per command of `andon`. Each has `register(app)`, which adds its command or group to the application."""
