// Search in a folder. Browsers start no worker for a page that no server sends, so its script runs
// in a hidden frame there, and gets and sends messages as a worker does.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const script = new URL(url, document.baseURI);
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.answer = (data) => this.receive(data);
      this.frame.srcdoc =
        "<script>self.postMessage = (data) => frameElement.answer(data)</script>" +
        `<script src="${script}"></script>`;
      this.ready = new Promise((done) => (this.frame.onload = done));
      document.documentElement.append(this.frame);
    }

    receive(data) {
      const message = new MessageEvent("message", { data });
      this.dispatchEvent(message);
      this.onmessage?.(message);
    }

    async postMessage(data) {
      await this.ready;
      this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
