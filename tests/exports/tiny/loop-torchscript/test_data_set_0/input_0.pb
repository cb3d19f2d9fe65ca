BstateJ»:?ýN¿ÇS¿k¢Y>‰
¿*&o>