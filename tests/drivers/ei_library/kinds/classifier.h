/* Three labels, audio. */
