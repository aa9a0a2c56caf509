"""The files of the control-room page: static/ is served as it stands, login.html is filled in."""
