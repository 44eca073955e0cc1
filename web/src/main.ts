/** The page: reads what the service describes, then shows form and results. */
import { App } from "./app";

const root = document.getElementById("page");
if (root) void new App(root).start();
