"""The plant's configuration: plant.toml, its includes and the series CSV."""
