/** Describes the phone, as far as its browser reports it: the fields of `PageOpened` in `messages.py`. */
import { oneLine } from "./one-line";

/** Parts of the browser's API that TypeScript's types lack. */
interface NavigatorExtras {
  deviceMemory?: number;
  userAgentData?: { platform?: string; getHighEntropyValues(names: string[]): Promise<Record<string, string> | null> };
  gpu?: { requestAdapter(): Promise<{ info?: Record<string, string> } | null> };
}

export async function describeBrowser(): Promise<object> {
  const { userAgentData, deviceMemory, gpu } = navigator as Navigator & NavigatorExtras;
  const names = ["model", "architecture", "platformVersion"];
  const hints = await userAgentData?.getHighEntropyValues(names).catch(() => null);
  return {
    agent: oneLine(navigator.userAgent),
    model: textOrNull(hints?.model),
    architecture: textOrNull(hints?.architecture),
    platform: textOrNull(userAgentData?.platform, hints?.platformVersion),
    cores: navigator.hardwareConcurrency || 1,
    memory: deviceMemory ?? null,
    isolated: globalThis.crossOriginIsolated,
    gpu: await gpuName(gpu).catch(() => null),
  };
}

async function gpuName(gpu: NavigatorExtras["gpu"]): Promise<string | null> {
  const adapter = await gpu?.requestAdapter();
  if (!adapter) return null;
  const { vendor, architecture, description } = adapter.info ?? {};
  return textOrNull(vendor, architecture, description) ?? "unnamed";
}

function textOrNull(...parts: (string | undefined)[]): string | null {
  return oneLine(parts.filter(Boolean).join(" ")) || null;
}
