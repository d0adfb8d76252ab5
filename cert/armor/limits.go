package armor

import "github.com/zcurve/zcurve/internal/form"

// Bounds of a block.
const (
	maxContent     = form.MaxFile // bytes
	maxHeaders     = 64
	maxHeaderName  = 64      // characters
	maxHeaderValue = 1024    // characters
	maxHeaderLine  = 4 << 10 // characters as read: a value between both gets an error that says so
	maxLogin       = 255     // bytes of a user name, and of a password (RFC 24)
)

// Characters of a line that is written.
const (
	maxLine     = 72
	contentLine = 64
)
