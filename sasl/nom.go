package sasl

import (
	"errors"
	"fmt"
)

// NOM is the codec of NOM, the example protocol in chapter 7 of the ZeroMQ guide. Each field of
// a command is a frame:
//
//	OHAI
//	ORLY mechanism… challenge
//	YARLY mechanism response
//	OHAI-OK
//	WTF reason
//
// WTF stands for both SRSLY and RTFM. It is SRSLY if the reason begins with a digit, and RTFM
// otherwise. NOM has no signature, so Parse returns ErrForeign only for a message without
// frames. It returns another error for the commands that follow the exchange, such as ICANHAZ:
// handle them yourself.
var NOM Codec = nom{}

type nom struct{}

const nomWTF = "WTF"

var errDigit = errors.New("reason must begin with a digit in SRSLY, and must not in RTFM")

func (nom) Message(c Command) ([][]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Kind == SRSLY || c.Kind == RTFM {
		if c.Kind != nomKind(c.Reason) {
			return nil, errDigit
		}
		return [][]byte{[]byte(nomWTF), []byte(c.Reason)}, nil
	}
	message := [][]byte{[]byte(c.Kind.String())}
	for _, name := range c.Mechanisms {
		message = append(message, []byte(name))
	}
	if c.Kind == ORLY || c.Kind == YARLY {
		message = append(message, c.Data)
	}
	return message, nil
}

func (nom) Parse(message [][]byte) (Command, error) {
	if len(message) == 0 {
		return Command{}, ErrForeign
	}
	return checked(parseNOM(string(message[0][:min(len(message[0]), maxName)]), message[1:]))
}

// parseNOM parses a command with its fields. It bounds the strings, but does not check them.
func parseNOM(name string, fields [][]byte) (c Command, err error) {
	least, most := 0, 0 // fields
	switch name {
	case OHAI.String():
		c.Kind = OHAI
	case OHAIOK.String():
		c.Kind = OHAIOK
	case ORLY.String():
		c.Kind, least, most = ORLY, 2, maxMechanisms+1
	case YARLY.String():
		c.Kind, least, most = YARLY, 2, 2
	case nomWTF:
		least, most = 1, 1
	default:
		return c, errKind
	}
	if len(fields) < least || len(fields) > most {
		return c, fmt.Errorf("%w: %d", errFrames, 1+len(fields))
	}
	switch {
	case name == nomWTF:
		if len(fields[0]) > maxReason {
			return c, errReason
		}
		c.Reason = string(fields[0])
		c.Kind = nomKind(c.Reason)
	case least > 0:
		for _, f := range fields[:len(fields)-1] {
			if len(f) > maxName {
				return c, errName
			}
			c.Mechanisms = append(c.Mechanisms, string(f))
		}
		c.Data = fields[len(fields)-1]
	}
	return c, nil
}

// nomKind returns the kind of the command that a reason belongs to.
func nomKind(reason string) Kind {
	if reason != "" && reason[0] >= '0' && reason[0] <= '9' {
		return SRSLY
	}
	return RTFM
}
