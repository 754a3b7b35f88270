/**
 * The reference with Longline loaded and not used: what a heap of 15 MB costs a program, whoever moves its bytes.
 * Adds nothing else, so that what lies between this and Longline is Longline's.
 */
import "longline"
import "./node.ts"
