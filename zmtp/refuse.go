package zmtp

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// errorCommand returns the ERROR command that tells the peer why it is refused, and nil
// if the peer learns nothing: then the connection is closed, which means "not now" (ZAP
// status 300) where a decision is expected. ERROR is the same in all mechanisms (RFC 37
// and RFC 26).
func errorCommand(err error) []byte {
	var why string
	if refused, ok := errors.AsType[*RefusedError](err); ok && refused.atServer && refused.Reply.Status != zap.StatusTryLater {
		why = strconv.Itoa(int(refused.Reply.Status))
	} else if errors.Is(err, errSocketType) { // RFC 37, The Socket-Type Property
		why = errSocketType.text
	} else {
		return nil
	}
	command, err := curve.AppendError(nil, why)
	if err != nil {
		return nil // never: both are short and ASCII
	}
	return command
}

// refuse tells the peer why it is refused, if it may know, and returns why.
func (h *handshake) refuse(why error) error {
	command := errorCommand(why)
	if command == nil {
		return why
	}
	if err := h.send(command); err != nil {
		return fmt.Errorf("%w (sending the refusal failed: %w)", why, err)
	}
	return why
}

// parseError returns the refusal in an ERROR command.
func parseError(command []byte) error {
	why, err := curve.ParseError(command)
	if err != nil {
		return fmt.Errorf("%w: %w", errCommand, withoutName{err})
	}
	if why == errSocketType.text { // from errorCommand; no handler has decided
		return fmt.Errorf("refused by server: %w", errSocketType)
	}
	if status, err := strconv.ParseUint(why, 10, 16); err == nil && len(why) == 3 && status >= 100 {
		return &RefusedError{Reply: zap.Reply{Status: zap.Status(status)}}
	}
	return &RefusedError{Reply: zap.Reply{Text: why}}
}
