// Search in a folder. Browsers start no worker for a page that no server sends. So its script runs
// in a hidden frame there, and gets and sends copies of messages, as a worker does.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const script = new URL(url, document.baseURI);
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.answer = (data) => this.receive(structuredClone(data));
      this.frame.srcdoc =
        "<script>self.postMessage = (data) => frameElement.answer(data)</script>" +
        `<script src="${script}"></script>`;
      this.ready = new Promise((done) => (this.frame.onload = done));
      document.documentElement.append(this.frame);
    }

    receive(data) {
      const message = new MessageEvent("message", { data });
      setTimeout(() => {
        this.dispatchEvent(message);
        this.onmessage?.(message);
      });
    }

    async postMessage(data) {
      const message = new MessageEvent("message", { data: structuredClone(data) });
      await this.ready;
      setTimeout(() => this.frame.contentWindow.dispatchEvent(message));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
