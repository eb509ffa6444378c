"""Learning activities of the network: who was there, by roster, by a code shown at the venue, or by a later sheet."""
