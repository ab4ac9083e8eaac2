// SPDX-License-Identifier: Apache-2.0

package main

// nodeName is the one node's, where there is one.
const nodeName = "node1"

// apiServerNodeArguments are those that depend on whether there is a node.
func (c *cluster) apiServerNodeArguments() []string {
	if c.node == "" {
		return []string{
			"--bind-address=127.0.0.1",
			// Without nodes nobody reaches the Service "kubernetes", and its endpoint may not be a loopback address.
			"--endpoint-reconciler-type=none",
			"--authorization-mode=RBAC",
		}
	}
	return []string{
		"--bind-address=0.0.0.0",
		"--advertise-address=" + c.node,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--kubelet-preferred-address-types=InternalIP",
		"--kubelet-certificate-authority=" + c.pki.path("ca.crt"),
		"--kubelet-client-certificate=" + c.pki.path("kubelet-client.crt"),
		"--kubelet-client-key=" + c.pki.path("kubelet-client.key"),
	}
}

// writeNodeKubeconfigs leaves kubelet.kubeconfig and others in the cluster's folder, for whoever starts these programs.
func (c *cluster) writeNodeKubeconfigs(server string) error {
	for _, name := range []string{"kubelet", "kube-scheduler", "kube-proxy"} {
		if err := c.pki.writeKubeconfig(c.state.path(name+".kubeconfig"), server, name); err != nil {
			return err
		}
	}
	return nil
}
