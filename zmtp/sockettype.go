package zmtp

// announcesRoutingID reports whether sockets of this type send the property Identity.
func announcesRoutingID(socketType string) bool {
	return socketType == "REQ" || socketType == "DEALER" || socketType == "ROUTER"
}

// onlySends reports whether sockets of this type never receive a message.
func onlySends(socketType string) bool { return socketType == "PUSH" }

// publishes reports whether sockets of this type receive subscriptions.
func publishes(socketType string) bool { return socketType == "PUB" || socketType == "XPUB" }
