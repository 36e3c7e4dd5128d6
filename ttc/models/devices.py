"""Devices that do not suffice, told without importing what uses them."""


class DevicesError(ValueError):
  """The devices that there are do not fit; those of another machine may."""
