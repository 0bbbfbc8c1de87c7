"""The plots of the overview, as SVG that the server makes."""
