"""A closer look at a forecast: patients' flow, flares, the cells' fate, one trial's data, uncertainty taken apart."""
