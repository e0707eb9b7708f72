"""Data planes: everything that answers on a host name other than the resource manager's."""
