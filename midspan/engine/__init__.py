"""Engine room: inference backends behind one small protocol."""
