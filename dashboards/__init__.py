"""What people look at: the control room, and Grafana dashboards as code."""
