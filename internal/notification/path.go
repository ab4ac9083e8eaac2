// SPDX-License-Identifier: Apache-2.0

package notification

// PathPrefix begins the path at which the bundled receiver takes an endpoint's notifications. Before it may stand the path of a base URL.
const PathPrefix = "/v1/notifications/"

// Path is an endpoint's, below its base URL.
func Path(namespace, name string) string { return PathPrefix + namespace + "/" + name }
