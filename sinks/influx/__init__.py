"""InfluxDB 2 as a target: line protocol, client, parked lines, history through Flux."""
