import type { ContainerClient } from "@azure/storage-blob";
import { BucketForbidden } from "../bucket-failures.js";
import { optionalPackage } from "../optional-package.js";
import type { AzurePlace } from "./azure-location.js";

/** Each request is sent once: RetryingStore, which lies above the store, knows what a lost reply means. */
const options = { retryOptions: { maxTries: 1 } };

/** Microsoft's client of the container. Throws, with code "install", if a package that it needs is absent. */
export async function containerClient(place: AzurePlace): Promise<ContainerClient> {
  const { container, credential, endpoint } = place;
  const sdk = await optionalPackage("@azure/storage-blob@12", () => import("@azure/storage-blob"));
  const url = `${endpoint}/${container}`;
  switch (credential.kind) {
    case "connection string":
      try {
        return new sdk.ContainerClient(credential.text, container, options);
      } catch {
        // What the client says may repeat a part of it.
        throw new BucketForbidden(
          "AZURE_STORAGE_CONNECTION_STRING is not a connection string of a storage account",
          "copy it again from the account's page, under access keys",
        );
      }
    case "key": {
      const key = new sdk.StorageSharedKeyCredential(credential.account, credential.key);
      return new sdk.ContainerClient(url, key, options);
    }
    case "signature":
      return new sdk.ContainerClient(`${url}?${credential.token}`, undefined, options);
    case "identity": {
      const identity = await optionalPackage("@azure/identity@4", () => import("@azure/identity"));
      return new sdk.ContainerClient(url, new identity.DefaultAzureCredential(), options);
    }
  }
}
