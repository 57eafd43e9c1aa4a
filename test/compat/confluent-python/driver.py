"""Runs the compatibility scenarios with confluent-kafka-python."""

import administration
import consuming
import event_store
import groups
import producing
from pydriver import main

if __name__ == "__main__":
    main({**producing.SCENARIOS, **consuming.SCENARIOS, **groups.SCENARIOS, **administration.SCENARIOS,
          **event_store.SCENARIOS})
