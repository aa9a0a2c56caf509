"""toxiproxy: a proxy that cuts, delays and narrows connections, told by plain REST."""

from __future__ import annotations

import httpx

from service.servers import Server, free_port, where


class Toxiproxy(Server):
    """The server; `proxy` puts a new one in front of something."""

    name = "toxiproxy"

    def argv(self) -> list[str]:
        return [str(where(self.name) / "toxiproxy-server"), "-host", "127.0.0.1", "-port", str(self.port)]

    def prepare(self) -> None:
        where(self.name)
        self.folder.mkdir(parents=True, exist_ok=True)

    def answers(self) -> bool:
        try:
            return httpx.get(f"http://{self.address}/version", timeout=2.0).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def proxy(self, name: str, upstream: str) -> Proxy:
        """A proxy to `upstream` (host:port) on a free port. A name is given away once."""
        listen = f"127.0.0.1:{free_port()}"
        proxy = Proxy(self.address, name, listen)
        proxy.call("POST", "/proxies", name=name, listen=listen, upstream=upstream, enabled=True)
        return proxy


class Proxy:
    """One proxy. A connection that `down` cut stays cut; `up` lets new ones in."""

    def __init__(self, server: str, name: str, listen: str) -> None:
        self._server = server
        self.name = name
        self.address = listen
        self.port = int(listen.rpartition(":")[2])
        self._toxics = 0

    def down(self) -> None:
        """Refuse connections and cut those that are open."""
        self.call("POST", f"/proxies/{self.name}", enabled=False)

    def up(self) -> None:
        """Let connections through again."""
        self.call("POST", f"/proxies/{self.name}", enabled=True)

    def toxic(self, kind: str, *, stream: str = "downstream", toxicity: float = 1.0, **attributes: float) -> str:
        """Add a fault: latency (latency, jitter: ms), bandwidth (rate: kB/s), timeout (timeout: ms; 0 swallows
        everything for ever), reset_peer (timeout: ms), slow_close (delay: ms), limit_data (bytes), slicer.

        stream: downstream is from the server to its clients. Returns its name, for `remove`.
        """
        self._toxics += 1
        name = f"{kind}-{self._toxics}"
        self.call("POST", f"/proxies/{self.name}/toxics", name=name, type=kind, stream=stream, toxicity=toxicity,
                  attributes=attributes)  # fmt: skip
        return name

    def remove(self, toxic: str) -> None:
        """Take one fault away."""
        self.call("DELETE", f"/proxies/{self.name}/toxics/{toxic}")

    def clear(self) -> None:
        """Take every fault away and let connections through."""
        for toxic in self.call("GET", f"/proxies/{self.name}/toxics").json():
            self.remove(toxic["name"])
        self.up()

    def delete(self) -> None:
        """Take the proxy away."""
        self.call("DELETE", f"/proxies/{self.name}")

    def call(self, method: str, path: str, **body: object) -> httpx.Response:
        answer = httpx.request(method, f"http://{self._server}{path}", json=body or None, timeout=10.0)
        if answer.is_error:
            raise RuntimeError(f"toxiproxy: {method} {path}: {answer.status_code} {answer.text}")
        return answer
