"""Customers who are in everybody's way: they order before they register, change their names and their minds at any moment.

Every command is decided as the services do it: load, decide, append if the stream is still there. Conflicts are counted: a
test without them has shown nothing.
"""
import http.client
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "es"))
from server import Client  # noqa: E402

SKUS = {"teapot": 2400, "kettle": 3900, "cup": 700, "tray": 1500, "moon-lamp": 8800}
UNKNOWN = "tea"  # the shop has none, and never had: inventory's refusal is all that its stream will ever have
CLOSED = {"OrderConfirmed", "OrderShipped", "OrderCancelled"}


class Customers(threading.Thread):
    """One of several writers; `number` makes its names its own."""

    def __init__(self, server, seed, number):
        super().__init__(daemon=True)
        self.client = Client(server)
        self.random = random.Random(seed * 100 + number)
        self.number, self.count = number, 0
        self.conflicts = self.cancelled = self.too_late = self.repeated = 0
        self.orders, self.stopping, self.problem = [], False, None

    def append(self, stream, expected, event):
        """The status; the same append again for as long as leat is away."""
        again = False
        while True:
            try:
                status, body, _ = self.client.append(stream, [event], expected)
            except (OSError, http.client.HTTPException):
                status, body = 503, None
            if status not in (429, 503):
                self.repeated += again and status < 300 and body["idempotent"]
                return status, body
            again = True
            time.sleep(0.1)

    def load(self, stream):
        while True:
            try:
                status, page, _ = self.client.call("GET", f"/api/v1/streams/{stream}/events?limit=1000")
            except (OSError, http.client.HTTPException):
                status, page = 503, None
            if status == 200:
                return page["events"], page["last_revision"]
            if status == 404:
                return [], "no_stream"
            if status not in (429, 503):
                raise RuntimeError(f"{stream}: {status} {page}")
            time.sleep(0.1)

    def name(self, what):
        self.count += 1
        return f"{what}{self.number}x{self.count}"

    def must(self, answer):
        status, body = answer
        if status >= 300:
            raise RuntimeError(f"{status} {body}")

    def place(self, customer):
        order, sku, quantity = self.name("t"), self.random.choice([*SKUS, *SKUS, UNKNOWN]), self.random.randint(1, 3)
        card = self.random.choice([{"card": "4242"}, {"card": "4242"}, {"card": "0002"}, {}])
        self.must(self.append(f"order-{order}", "no_stream", {
            "id": f"place-{order}", "type": "OrderPlaced",
            "data": {"customer_id": customer, "region": "test", "sku": sku, "quantity": quantity,
                     "amount": SKUS.get(sku, 450) * quantity, **card}}))
        self.orders = [*self.orders[-20:], order]
        return order

    def cancel(self, order):
        while True:
            events, revision = self.load(f"order-{order}")
            if CLOSED & {e["type"] for e in events}:
                self.too_late += 1
                return
            placed = events[0]
            time.sleep(self.random.random() * 0.01)  # she thinks
            status, body = self.append(f"order-{order}", revision, {
                "id": f"cancel-{order}", "type": "OrderCancelled", "correlation_id": placed["correlation_id"],
                "causation_id": placed["id"],
                "data": {k: placed["data"][k] for k in ("customer_id", "sku", "quantity", "amount", "region")} | {"reason": "a whim"}})
            if status < 300:
                self.cancelled += 1
                return
            if body["code"] == "event-id-reused":
                return
            if body["code"] != "revision-conflict":
                raise RuntimeError(f"{order}: {body}")
            self.conflicts += 1

    def duel(self, order):
        """Somebody else has looked at the order before; what she decides by it must not win any more."""
        events, revision = self.load(f"order-{order}")
        self.cancel(order)
        if CLOSED & {e["type"] for e in events}:
            return
        status, body = self.append(f"order-{order}", revision, {
            "id": f"late-{order}", "type": "OrderCancelled", "data": {"reason": "decided on what was so before"}})
        if status != 409 or body["code"] != "revision-conflict" or body["actual"] <= revision:
            raise RuntimeError(f"{order}: a stale decision: {status} {body}")
        self.conflicts += 1

    def restock(self):
        sku = self.random.choice(list(SKUS))
        lot = self.name(f"{sku}-lot-")
        self.must(self.append(f"product-{sku}", "any", {
            "id": lot, "type": "ProductAdded", "data": {"name": lot, "price": SKUS[sku], "quantity": self.random.randint(1, 40)}}))

    def live(self):
        if self.random.random() < 0.1:
            self.restock()
        customer = self.name("c")
        register = {"id": f"register-{customer}", "type": "CustomerRegistered", "data": {"name": f"New {customer}", "region": "test"}}
        early = self.random.random() < 0.5
        if early:
            self.must(self.append(f"customer-{customer}", "any", register))
        order = self.place(customer)
        if self.random.random() < 0.6:
            time.sleep(self.random.random() * 0.02)
            (self.duel if self.random.random() < 0.3 else self.cancel)(order)
        if not early:
            self.must(self.append(f"customer-{customer}", "any", register))
        if self.random.random() < 0.5:
            self.must(self.append(f"customer-{customer}", "any", {
                "id": f"rename-{customer}", "type": "CustomerRenamed", "data": {"name": f"Other {customer}"}}))
        if self.random.random() < 0.3:
            self.cancel(self.random.choice(self.orders))
        time.sleep(self.random.random() * 0.2)

    def run(self):
        try:
            while not self.stopping:
                self.live()
        except Exception as error:  # pylint: disable=broad-except
            self.problem = f"{type(error).__name__}: {error}"
        self.client.close()
