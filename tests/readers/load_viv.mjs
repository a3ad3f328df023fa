// Print, as JSON, the windows that viv's loader finds in the image at a URL.
import { loadOmeZarr } from "@vivjs/loaders";

const { metadata } = await loadOmeZarr(process.argv[2], { type: "multiscales" });
console.log(JSON.stringify(metadata.omero.channels.map((channel) => channel.window)));
